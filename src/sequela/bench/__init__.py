"""What cultures lived through at the bench: plates, blots and images become readings with their experiment."""

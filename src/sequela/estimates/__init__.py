"""Arrays in, estimates out: survival curves, tests, regression. Import from the modules of this room."""

"""The protocol: what is asked. TOML in, one frozen `Study` out; no data."""

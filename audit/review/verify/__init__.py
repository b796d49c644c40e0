"""`verify`: recomputes what a manifest says, walks the chain, and checks signatures."""

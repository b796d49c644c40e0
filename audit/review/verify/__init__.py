"""`verify`: recomputes what a manifest says, follows the chain, and checks signatures."""

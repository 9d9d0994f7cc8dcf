"""Programs for working on tautwire; nothing in the product needs them."""

"""The dose per fraction at which radiation helps the immune system most, and where that ends."""

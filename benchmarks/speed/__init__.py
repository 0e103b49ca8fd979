"""Speed of the whole system beside its own target alone, in pairs, over an emulated link."""

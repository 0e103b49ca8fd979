"""`device-client bench`: what drafting brings over a person's own link to their own edge, measured in pairs."""

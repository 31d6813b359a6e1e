"""The avatar: what is known of a portrait, as data. No network is called here."""

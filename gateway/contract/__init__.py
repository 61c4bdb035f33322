"""The message contract: envelope, topics, canonical form, signatures, schemas. Pure; what the outside may rely on."""

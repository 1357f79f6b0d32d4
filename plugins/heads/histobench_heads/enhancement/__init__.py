"""Controls of enhancement: what is gained by looking at neighbours, at few dimensions, or at nothing but the counts."""

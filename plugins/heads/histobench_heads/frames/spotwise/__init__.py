"""What LinearProbing, MLP and CUCA share: a module that reads one spot at a time, and how it is trained."""

"""Programs that use an Assay network as its users do."""

"""What kind of file is this? The question put to the model that ships in the `magika` package, as paid jobs."""

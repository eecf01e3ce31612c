"""What an ONNX job means: records, admission, comparison, and the pool that feeds the sandbox."""

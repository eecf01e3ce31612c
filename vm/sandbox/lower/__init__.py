"""From an ONNX graph to the program of primitive operators that it means: `lowering.lower`."""

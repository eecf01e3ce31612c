"""The sandbox: a program of its own, started by vm.pool and never imported; the only importer of onnx and onnxruntime."""

"""The sandbox: a program of its own, started by vm.pool, never imported; the one importer of onnx and onnxruntime."""

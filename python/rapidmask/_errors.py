"""The one exception of the package's own."""


class CudaError(RuntimeError):
    """CUDA refused a call; the text is CUDA's own."""

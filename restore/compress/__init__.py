"""Networks in other forms: as files for other programs."""

from restore.compress.export import ExportError, export_onnx

__all__ = ["ExportError", "export_onnx"]

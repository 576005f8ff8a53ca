"""The version of the package. The version of the specification is `gdprops.model.verdict.SPECIFICATION`."""

__version__ = "0.1.0"

//! Shared by the interop programs of this folder.

//! Shared by the example programs of this folder.

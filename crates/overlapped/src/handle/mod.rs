pub(crate) mod file;
pub(crate) mod file_core;
pub(crate) mod open_file;
pub use file::File;
pub use open_file::OpenFile;

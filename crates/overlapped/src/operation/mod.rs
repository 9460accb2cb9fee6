pub(crate) mod file_task;
pub(crate) mod flush;
pub(crate) mod read_at;
pub(crate) mod write_at;

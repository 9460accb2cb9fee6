//! The system's error numbers that the statements speak of.

#[cfg(target_os = "linux")]
mod numbers {
    use rustix::io::Errno;

    pub const ALREADY: i32 = Errno::ALREADY.raw_os_error();
    pub const BAD_DESCRIPTOR: i32 = Errno::BADF.raw_os_error();
    pub const CANCELED: i32 = Errno::CANCELED.raw_os_error();
    pub const FILE_CLOSED: i32 = Errno::BADF.raw_os_error();
    pub const FAMILY_NOT_SUPPORTED: i32 = Errno::AFNOSUPPORT.raw_os_error();
    pub const IS_CONNECTED: i32 = Errno::ISCONN.raw_os_error();
    pub const MESSAGE_TOO_LONG: i32 = Errno::MSGSIZE.raw_os_error();
    pub const NOT_CONNECTED: i32 = Errno::NOTCONN.raw_os_error();
    pub const NO_BUFFERS: i32 = Errno::NOBUFS.raw_os_error();
    pub const NO_SPACE: i32 = Errno::NOSPC.raw_os_error();
    pub const PERMISSION: i32 = Errno::PERM.raw_os_error();
    pub const REFUSED: i32 = Errno::CONNREFUSED.raw_os_error();
    pub const RESET: i32 = Errno::CONNRESET.raw_os_error();
    pub const SHUT_DOWN: i32 = Errno::SHUTDOWN.raw_os_error();
    pub const TIMED_OUT: i32 = Errno::TIMEDOUT.raw_os_error();
    pub const WOULD_BLOCK: i32 = Errno::AGAIN.raw_os_error();
    /// What an accept meets when descriptors or memory run short.
    pub const SHORTAGES: [i32; 4] = [
        Errno::MFILE.raw_os_error(),
        Errno::NFILE.raw_os_error(),
        Errno::NOBUFS.raw_os_error(),
        Errno::NOMEM.raw_os_error(),
    ];
    /// What an accept reports of a connection that failed while it waited.
    pub const FAILED_EARLY: [i32; 3] = [
        Errno::CONNABORTED.raw_os_error(),
        Errno::PROTO.raw_os_error(),
        Errno::NETDOWN.raw_os_error(),
    ];
}

#[cfg(windows)]
mod numbers {
    pub const ALREADY: i32 = 10037;
    pub const BAD_DESCRIPTOR: i32 = 10038;
    pub const CANCELED: i32 = 995;
    pub const FILE_CLOSED: i32 = 6;
    pub const FAMILY_NOT_SUPPORTED: i32 = 10047;
    pub const IS_CONNECTED: i32 = 10056;
    pub const MESSAGE_TOO_LONG: i32 = 10040;
    pub const NOT_CONNECTED: i32 = 10057;
    pub const NO_BUFFERS: i32 = 10055;
    pub const PERMISSION: i32 = 5;
    pub const REFUSED: i32 = 10061;
    pub const RESET: i32 = 10054;
    pub const SHUT_DOWN: i32 = 10058;
    pub const TIMED_OUT: i32 = 10060;
    pub const WOULD_BLOCK: i32 = 10035;
    /// What an accept meets when handles or memory run short.
    pub const SHORTAGES: [i32; 4] = [10024, 10055, 8, 1450];
    /// What an accept reports of a connection that failed while it waited.
    pub const FAILED_EARLY: [i32; 2] = [10053, 10054];
}

pub use numbers::*;

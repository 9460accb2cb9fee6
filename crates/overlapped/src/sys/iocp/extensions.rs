//! The functions that each provider gives out by itself, and the accept's room for addresses.

use super::super::system::SystemSocket;
use std::io;
use std::mem::size_of;
use std::net::SocketAddr;
use std::os::windows::io::{AsRawSocket, RawSocket};
use std::ptr::{null, null_mut};
use std::time::Duration;
use windows_sys::Win32::Networking::WinSock::{
    LPFN_ACCEPTEX, LPFN_CONNECTEX, LPFN_DISCONNECTEX, LPFN_GETACCEPTEXSOCKADDRS, LPFN_TRANSMITFILE,
    LPFN_WSARECVMSG, LPWSAOVERLAPPED_COMPLETION_ROUTINE, SIO_GET_EXTENSION_FUNCTION_POINTER,
    SO_CONNECT_TIME, SO_UPDATE_ACCEPT_CONTEXT, SO_UPDATE_CONNECT_CONTEXT, SOCKADDR, SOCKADDR_IN6,
    SOCKADDR_STORAGE, SOCKET, SOL_SOCKET, TRANSMIT_FILE_BUFFERS, WSAID_ACCEPTEX, WSAID_CONNECTEX,
    WSAID_DISCONNECTEX, WSAID_GETACCEPTEXSOCKADDRS, WSAID_TRANSMITFILE, WSAID_WSARECVMSG, WSAIoctl,
    WSAMSG, getsockopt, setsockopt,
};
use windows_sys::Win32::System::IO::OVERLAPPED;
use windows_sys::core::GUID;

/// The extension functions of one socket's provider (X1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extensions {
    pub(super) accept_ex: LPFN_ACCEPTEX,
    pub(super) get_accept_ex_sockaddrs: LPFN_GETACCEPTEXSOCKADDRS,
    pub(super) connect_ex: LPFN_CONNECTEX,
    pub(super) disconnect_ex: LPFN_DISCONNECTEX,
    pub(super) transmit_file: LPFN_TRANSMITFILE,
}

impl Extensions {
    pub(crate) fn of(socket: &SystemSocket) -> io::Result<Self> {
        Ok(Self {
            // SAFETY: the identifier names a function of this type.
            accept_ex: unsafe { function(socket, &WSAID_ACCEPTEX)? },
            // SAFETY: as above.
            get_accept_ex_sockaddrs: unsafe { function(socket, &WSAID_GETACCEPTEXSOCKADDRS)? },
            // SAFETY: as above.
            connect_ex: unsafe { function(socket, &WSAID_CONNECTEX)? },
            // SAFETY: as above.
            disconnect_ex: unsafe { function(socket, &WSAID_DISCONNECTEX)? },
            // SAFETY: as above.
            transmit_file: unsafe { function(socket, &WSAID_TRANSMITFILE)? },
        })
    }
}

/// The function that receives a datagram with what goes with it. Providers of streams need not have
/// it, so it is not among the others.
pub(crate) fn receive_message(socket: &SystemSocket) -> io::Result<ReceiveMessage> {
    // SAFETY: the identifier names a function of this type.
    let function: LPFN_WSARECVMSG = unsafe { function(socket, &WSAID_WSARECVMSG)? };
    function.ok_or_else(|| io::ErrorKind::Unsupported.into())
}

/// The type of that function.
pub(crate) type ReceiveMessage = unsafe extern "system" fn(
    SOCKET,
    *mut WSAMSG,
    *mut u32,
    *mut OVERLAPPED,
    LPWSAOVERLAPPED_COMPLETION_ROUTINE,
) -> i32;

/// Asks the socket's provider for one function.
///
/// # Safety
/// `F` must be the optional function pointer type that `name` stands for.
unsafe fn function<F: Default>(socket: &SystemSocket, name: &GUID) -> io::Result<F> {
    let mut function = F::default();
    let mut length = 0;
    // SAFETY: input and output are of the sizes named, and live through the call.
    let failed = unsafe {
        WSAIoctl(
            socket.as_raw_socket() as usize,
            SIO_GET_EXTENSION_FUNCTION_POINTER,
            std::ptr::from_ref(name).cast(),
            size_of::<GUID>() as u32,
            std::ptr::from_mut(&mut function).cast(),
            size_of::<F>() as u32,
            &mut length,
            null_mut(),
            None,
        )
    };
    if failed == 0 { Ok(function) } else { Err(io::Error::last_os_error()) }
}

/// The most first data that one accept has room for.
const DATA_MAX: usize = 1 << 20;

/// The least that an address takes in an accept's buffer: the largest there is, and 16 bytes (X12).
pub(super) const ADDRESS_ROOM: usize = size_of::<SOCKADDR_IN6>() + 16;

/// What one accept needs: a fresh socket, and room for the first data and both addresses, in this
/// order (X11). It owns both until its packet is taken.
#[derive(Debug)]
pub(crate) struct AcceptRoom {
    pub(crate) socket: SystemSocket,
    pub(super) room: Box<[u8]>,
}

impl AcceptRoom {
    /// With a `data_length` of 0 the accept is complete as soon as there is a connection; otherwise
    /// it waits for data as well (X14).
    pub(crate) fn new(socket: SystemSocket, data_length: usize) -> Self {
        let data_length = data_length.min(DATA_MAX);
        Self { socket, room: vec![0; data_length + 2 * ADDRESS_ROOM].into_boxed_slice() }
    }

    /// How much first data there is room for.
    pub(super) fn data_length(&self) -> u32 {
        (self.room.len() - 2 * ADDRESS_ROOM) as u32
    }

    /// Whether the accept waits for first data.
    pub(crate) fn has_data(&self) -> bool {
        self.data_length() > 0
    }

    /// The first `length` bytes of the data.
    pub(crate) fn data(&self, length: usize) -> &[u8] {
        &self.room[..length.min(self.data_length() as usize)]
    }

    /// Once the accept has completed: gives the socket the properties of its listener, without
    /// which most calls on it may fail (X23, X24), and reads our address and the peer's (X40).
    pub(crate) fn complete(&self, listener: &SystemSocket) -> io::Result<(SocketAddr, SocketAddr)> {
        let listener_socket = listener.as_raw_socket() as SOCKET;
        set_context(
            &self.socket,
            SO_UPDATE_ACCEPT_CONTEXT,
            std::ptr::from_ref(&listener_socket).cast(),
            size_of::<SOCKET>() as i32,
        )?;
        self.decode(listener).or_else(|_| Ok((self.socket.local_addr()?, self.socket.peer_addr()?)))
    }

    fn decode(&self, listener: &SystemSocket) -> io::Result<(SocketAddr, SocketAddr)> {
        let decode = listener.extensions()?.get_accept_ex_sockaddrs;
        let decode = decode.ok_or(io::ErrorKind::Unsupported)?;
        let (mut local, mut remote) = (null_mut(), null_mut());
        let (mut local_length, mut remote_length) = (0, 0);
        // SAFETY: the buffer was filled by an accept with these same lengths.
        unsafe {
            decode(
                self.room.as_ptr().cast(),
                self.data_length(),
                ADDRESS_ROOM as u32,
                ADDRESS_ROOM as u32,
                &mut local,
                &mut local_length,
                &mut remote,
                &mut remote_length,
            );
        }
        // SAFETY: the call has set the pointer to an address of this length in our buffer.
        let local = unsafe { address(local, local_length)? };
        // SAFETY: as above.
        let remote = unsafe { address(remote, remote_length)? };
        Ok((local, remote))
    }
}

/// Where a receive writes the sender's address.
#[derive(Debug)]
pub(crate) struct AddressRoom {
    /// As large and as aligned as any address.
    pub(super) storage: [u64; size_of::<SOCKADDR_STORAGE>() / 8],
    pub(super) length: i32,
}

impl AddressRoom {
    pub(crate) fn new() -> Box<Self> {
        let storage = [0; size_of::<SOCKADDR_STORAGE>() / 8];
        Box::new(Self { storage, length: size_of::<SOCKADDR_STORAGE>() as i32 })
    }

    /// Writes an address, to be sent to; gives its length.
    pub(super) fn encode(&mut self, address: SocketAddr) -> i32 {
        let address = socket2::SockAddr::from(address);
        self.length = address.len();
        // SAFETY: the storage has room for any address.
        unsafe {
            std::ptr::copy_nonoverlapping(
                address.as_ptr().cast::<u8>(),
                (&raw mut self.storage).cast::<u8>(),
                address.len() as usize,
            );
        }
        self.length
    }

    pub(crate) fn decode(&self) -> io::Result<SocketAddr> {
        // SAFETY: the storage is ours, and `address` reads no more than it holds.
        unsafe { address(std::ptr::from_ref(&self.storage).cast(), self.length) }
    }
}

/// Where a transmission says what goes out before the file. It stays where it is until the packet
/// is taken, since nothing says that the system reads it during the call.
#[derive(Default)]
pub(crate) struct TransmitRoom(pub(super) TRANSMIT_FILE_BUFFERS);

// SAFETY: the pointers in it are only handed to the system, by whoever owns the memory that they
// name.
unsafe impl Send for TransmitRoom {}

impl std::fmt::Debug for TransmitRoom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TransmitRoom")
    }
}

/// Makes a socket that has just connected whole: before it, most calls on it may fail (X55).
pub(crate) fn complete_connect(socket: &SystemSocket) -> io::Result<()> {
    set_context(socket, SO_UPDATE_CONNECT_CONTEXT, null(), 0)
}

fn set_context(
    socket: &SystemSocket,
    option: i32,
    value: *const u8,
    length: i32,
) -> io::Result<()> {
    let raw = socket.as_raw_socket() as SOCKET;
    // SAFETY: both callers give a value that lives through the call and is as long as they say.
    let failed = unsafe { setsockopt(raw, SOL_SOCKET, option, value, length) };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// For how long a socket has been connected, in whole seconds; `None` when it is not (X26).
pub(crate) fn connect_time(socket: RawSocket) -> Option<Duration> {
    let mut seconds = u32::MAX;
    let mut length = size_of::<u32>() as i32;
    let value = std::ptr::from_mut(&mut seconds).cast();
    // SAFETY: the value is as long as `length` says; a number that is no socket is only an error.
    let failed =
        unsafe { getsockopt(socket as SOCKET, SOL_SOCKET, SO_CONNECT_TIME, value, &mut length) };
    (failed == 0 && seconds != u32::MAX).then(|| Duration::from_secs(seconds.into()))
}

/// Reads a socket address that need not be aligned.
///
/// # Safety
/// `length` bytes must be readable at `address`.
unsafe fn address(address: *const SOCKADDR, length: i32) -> io::Result<SocketAddr> {
    let length = usize::try_from(length).unwrap_or(0).min(size_of::<SOCKADDR_STORAGE>());
    let mut storage = socket2::SockAddrStorage::zeroed();
    // SAFETY: the caller vouches for so many bytes, and the storage has room for them.
    unsafe {
        std::ptr::copy_nonoverlapping(
            address.cast::<u8>(),
            (&raw mut storage).cast::<u8>(),
            length,
        );
    }
    // SAFETY: the storage holds an address of this length.
    let address = unsafe { socket2::SockAddr::new(storage, length as i32) };
    address.as_socket().ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

//! Connecting a stream.

use super::lookup::ToAddresses;
use super::none_of_the_addresses;
use super::stream::{Handle, TcpStream};
use crate::answer::Answer;
use crate::executor::{Executor, current};
use crate::packets::Operation;
use overlapped::{Buffers, OperationId, Refused, TcpSocket};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

impl TcpStream {
    /// Connects to an address, or to the first one of several that answers.
    ///
    /// A name is looked up as [`lookup_host`](super::lookup_host) does. There is no time-out but the
    /// system's: see [`timeout`](crate::time::timeout), which limits the look-up as well. A future that
    /// is dropped gives up its connection.
    ///
    /// # Errors
    /// No address was found, or none of them answered.
    ///
    /// # Panics
    /// Outside a runtime.
    pub async fn connect(address: impl ToAddresses) -> io::Result<Self> {
        let executor = current::get("a stream");
        let mut last = None;
        for address in address.to_addresses().look_up(&executor).await? {
            match connect_to(&executor, address).await {
                Ok(stream) => return Ok(Self::of(stream, executor)),
                Err(error) => last = Some(error),
            }
        }
        Err(none_of_the_addresses(last))
    }
}

async fn connect_to(executor: &Arc<Executor>, address: SocketAddr) -> io::Result<Handle> {
    let socket = TcpSocket::for_address(address)?;
    let start = |stream: &Handle, operation| stream.connect(address, (), operation);
    connected(executor, socket, start).await
}

/// Connects `socket` as `start` does.
pub(super) async fn connected(
    executor: &Arc<Executor>,
    socket: TcpSocket,
    start: impl FnOnce(&Handle, Operation) -> Result<OperationId, Refused<(Buffers, Operation)>>,
) -> io::Result<Handle> {
    /// Closes the stream, unless it was taken out connected: the connect in flight holds it.
    struct Attempt(Option<Handle>);

    impl Drop for Attempt {
        fn drop(&mut self) {
            if let Some(stream) = &self.0 {
                stream.close();
            }
        }
    }

    let stream = TcpStream::associate(executor, socket)?;
    let answer = Answer::new();
    let operation = Operation::Done(Arc::clone(&answer));
    start(&stream, operation).map_err(|refused| refused.error)?;
    let mut attempt = Attempt(Some(stream.clone()));
    answer.wait().await?;
    attempt.0 = None;
    Ok(stream)
}

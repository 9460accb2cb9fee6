//! Echo server on the runtime of Overlapped: a task per connection, with its native operations.

use std::process::ExitCode;

use clap::Parser;
use overlapped_bench::server::{self, Cost, Framing, ServerOptions};
use overlapped_runtime::Runtime;
use overlapped_runtime::net::{TcpListener, TcpStream};

/// Echo server on the runtime of Overlapped, with N threads that run tasks.
#[derive(Parser)]
#[command(name = "echo-runtime", version)]
struct Arguments {
    #[command(flatten)]
    server: ServerOptions,
}

fn main() -> ExitCode {
    overlapped_bench::exit_code(run(&Arguments::parse().server))
}

fn run(options: &ServerOptions) -> anyhow::Result<()> {
    options.prepare_process()?;
    let listener = options.listen()?;
    let runtime = Runtime::builder().concurrency(options.threads.get()).build()?;
    // All connections share it, since each holds what its task captures.
    let cost: &'static Cost = Box::leak(Box::new(options.cost()));
    let server = runtime.spawn(async move {
        let mut listener = TcpListener::from_std(listener)?;
        server::announce(listener.local_addr()?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            // A connection that fails is over, which is all that an echo server has to say about it.
            drop(overlapped_runtime::spawn(echo(stream, cost)));
        }
    });
    runtime.block_on(server)?
}

#[allow(
    clippy::manual_async_fn,
    reason = "an async fn holds its arguments twice, and each connection with them"
)]
fn echo(
    mut stream: TcpStream,
    cost: &'static Cost,
) -> impl Future<Output = std::io::Result<()>> + Send {
    async move {
        stream.set_nodelay(true)?;
        let mut framing = Framing::default();
        while let Some(buffer) = stream.receive().await? {
            cost.charge(&mut framing, &buffer);
            stream.send(buffer).await.0?;
        }
        Ok(())
    }
}

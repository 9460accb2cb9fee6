//! An entry for HttpArena: hyper on the runtime of Overlapped.
//!
//! HTTP/1.1 on port 8080, by hyper's own connection, since responses to pipelined requests go out together there.
//! HTTP/2 over TLS on port 8443, by `serve` of the runtime, if there is a certificate.

mod answer;

use answer::{Files, answer};
use hyper::server::conn::http1;
use overlapped_runtime::net::TcpListener;
use overlapped_runtime::{HyperTimer, serve, spawn};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::env;
use std::error::Error;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// How long nothing is accepted after the system could not, for want of descriptors or memory.
const RETRY_AFTER: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let (http_port, https_port) = (port("HTTP_PORT", 8080)?, port("HTTPS_PORT", 8443)?);
    let (certs, files) = (folder("CERTS_DIR", "/certs"), folder("STATIC_DIR", "/data/static"));
    let files = if files.is_dir() {
        Files::read(&files).map_err(|error| format!("{}: {error}", files.display()))?
    } else {
        Files::default()
    };
    // They are there for as long as the process.
    let files: &'static Files = Box::leak(Box::new(files));
    let tls = tls(&certs).map_err(|error| format!("{}: {error}", certs.display()))?;
    overlapped_runtime::run(async move {
        let http = listen(http_port)?;
        let Some(tls) = tls else {
            eprintln!("no certificate in {}: port {https_port} is not served", certs.display());
            return Ok(serve_http1(http, files).await?);
        };
        let https = listen(https_port)?;
        let http1 = spawn(serve_http1(http, files));
        let service = tower::service_fn(move |request| answer(files, request));
        let http2 = spawn(async move { serve(https, service).with_tls(tls).await });
        http1.await??;
        Ok(http2.await??)
    })
}

fn port(variable: &str, otherwise: u16) -> Result<u16, String> {
    match env::var(variable) {
        Ok(text) => text.parse().map_err(|_| format!("{variable}={text}: this is no port")),
        Err(_) => Ok(otherwise),
    }
}

fn folder(variable: &str, otherwise: &str) -> PathBuf {
    env::var_os(variable).map_or_else(|| otherwise.into(), Into::into)
}

fn listen(port: u16) -> Result<TcpListener, String> {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
        .map_err(|error| format!("port {port}: {error}"))
}

/// The settings of TLS, if there is a certificate.
fn tls(folder: &Path) -> Result<Option<ServerConfig>, Box<dyn Error>> {
    let (certificate, key) = (folder.join("server.crt"), folder.join("server.key"));
    if !certificate.exists() {
        return Ok(None);
    }
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(config))
}

/// Serves HTTP/1.1, each connection in a task of its own. A client has 30 s for the head of each request, which is
/// hyper's default where it has a timer.
async fn serve_http1(mut listener: TcpListener, files: &'static Files) -> io::Result<()> {
    let mut http = http1::Builder::new();
    http.timer(HyperTimer).pipeline_flush(true);
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // The runtime has ended.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Err(error),
            Err(_) => {
                overlapped_runtime::time::sleep(RETRY_AFTER).await;
                continue;
            }
        };
        // It fails when the client has gone.
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        let service = hyper::service::service_fn(move |request| answer(files, request));
        let connection = http.serve_connection(stream, service);
        drop(spawn(async move {
            // How a connection ends concerns its client alone.
            let _ = connection.await;
        }));
    }
}

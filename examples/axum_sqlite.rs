//! An axum app over SQLite. Its handlers block, and nothing in them says so.
//!
//! ```sh
//! cargo run --release -p examples --example axum_sqlite
//! # in another terminal:
//! curl -d "buy milk" http://127.0.0.1:3000/notes
//! curl http://127.0.0.1:3000/notes
//! ```
//!
//! With a certificate and its key, from PEM files, as two arguments it speaks TLS. Ctrl-C ends it.

use axum::{Router, extract::State, http::StatusCode, routing::get};
use overlapped_runtime::{net::TcpListener, rustls, serve};
use rusqlite::Connection;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{error::Error, io, path::Path, sync::Arc, sync::Mutex};

type Database = Arc<Mutex<Connection>>;

fn failed(error: rusqlite::Error) -> StatusCode {
    // What it says is for us, and not for clients.
    eprintln!("the database: {error}");
    StatusCode::INTERNAL_SERVER_ERROR
}

async fn add(State(database): State<Database>, text: String) -> Result<String, StatusCode> {
    // It waits for others that write, and then for the disk.
    let database = database.lock().expect("nobody panics");
    database.execute("INSERT INTO notes (text) VALUES (?1)", [text]).map_err(failed)?;
    Ok(format!("note {}\n", database.last_insert_rowid()))
}

async fn list(State(database): State<Database>) -> Result<String, StatusCode> {
    let query = |database: &Connection| {
        let mut statement = database.prepare("SELECT text FROM notes ORDER BY rowid")?;
        let notes = statement.query_map([], |row| row.get::<_, String>(0))?;
        notes.collect::<Result<Vec<_>, _>>()
    };
    let notes = query(&database.lock().expect("nobody panics")).map_err(failed)?;
    Ok(notes.iter().map(|note| format!("{note}\n")).collect())
}

/// What is served, over the notes in `file`.
pub fn app(file: &Path) -> rusqlite::Result<Router> {
    let database = Connection::open(file)?;
    database.execute_batch("CREATE TABLE IF NOT EXISTS notes (text TEXT NOT NULL)")?;
    let notes = get(list).post(add);
    let app = Router::new().route("/notes", notes).with_state(Arc::new(Mutex::new(database)));
    Ok(app.route("/", get(|| async { "hello\n" })))
}

/// The certificate chain and the private key, from PEM files.
pub fn tls(certificate: &Path, key: &Path) -> Result<rustls::ServerConfig, Box<dyn Error>> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    Ok(rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let app = app("notes.db".as_ref())?;
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let tls = match &arguments[..] {
        [] => None,
        [certificate, key] => Some(tls(certificate.as_ref(), key.as_ref())?),
        _ => return Err("say which: axum_sqlite [CERTIFICATE KEY]".into()),
    };
    overlapped_runtime::run(async {
        let server = serve(TcpListener::bind("127.0.0.1:3000")?, app);
        match tls {
            Some(tls) => server.with_tls(tls).await,
            None => server.await,
        }
    })
    .map_err(|error: io::Error| error.into())
}

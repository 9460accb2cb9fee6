//! A certificate for `localhost`, and who trusts it.

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// A server of `localhost`, and a client that trusts nobody else.
pub fn configs() -> (ServerConfig, ClientConfig) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
    let rcgen::CertifiedKey { cert, signing_key } = made.expect("a certificate is made");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let chain = vec![cert.der().clone()];
    let server = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).expect("it is a certificate");
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    (server.expect("they belong together"), client)
}

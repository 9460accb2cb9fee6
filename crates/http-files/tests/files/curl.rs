//! Clients that others have made, where they are installed.

use crate::world::{World, pattern};
use std::process::Command;

fn curl(arguments: &[&str]) -> Option<(bool, Vec<u8>)> {
    let mut command = Command::new("curl");
    let said = command.args(["-sS", "--max-time", "60", "--noproxy", "*"]).args(arguments).output();
    match said {
        Ok(output) => Some((output.status.success(), output.stdout)),
        Err(error) => {
            println!("passed over: curl is not there ({error})");
            None
        }
    }
}

#[test]
fn curl_is_served() {
    let world = World::new();
    let contents = pattern(2 << 20);
    world.folder.file("a.bin", &contents);
    let address = format!("http://{}/a.bin", world.address);
    let Some((ok, body)) = curl(&[&address]) else { return };
    assert!(ok && body == contents);
    assert_eq!(curl(&["-r", "100-199", &address]), Some((true, contents[100..200].to_vec())));
    // A download that was broken off goes on where it was.
    let part = world.folder.path().join("part");
    std::fs::write(&part, &contents[..12_345]).expect("a file");
    let Some((true, _)) = curl(&["-C", "-", "-o", &part.display().to_string(), &address]) else {
        panic!("curl could not go on");
    };
    assert!(std::fs::read(&part).expect("the file") == contents);
    let format = "%{http_code} %{num_connects} ";
    let twice = curl(&["-o", "-", "-I", "-w", format, &address, "-o", "-", &address]);
    let text = String::from_utf8_lossy(&twice.expect("curl").1).into_owned();
    assert!(text.ends_with("200 0 "), "the connection is used again: {text}");
}

#[cfg(unix)]
#[test]
fn wget_mirrors_a_folder_without_an_error() {
    let settings = overlapped_http_files::Settings { listing: true, ..crate::world::settings() };
    let world = World::with(settings);
    world.folder.file("a", "first");
    world.folder.file("sub/b c", "second");
    world.folder.file("back\\slash", "not to be had");
    std::os::unix::fs::symlink("nowhere", world.folder.path().join("dead")).expect("a link");
    std::os::unix::fs::symlink("/etc", world.folder.path().join("outward")).expect("a link");
    let place = crate::world::Folder::new();
    let address = format!("http://{}/", world.address);
    let wget = Command::new("wget")
        .args(["-q", "-m", "-nH", "--no-proxy", "-T", "60", "-t", "1", "-e", "robots=off", "-P"])
        .arg(place.path())
        .arg(&address)
        .output();
    match wget {
        Err(error) => println!("passed over: wget is not there ({error})"),
        Ok(ended) => {
            assert!(ended.status.success(), "{ended:?}");
            let read = |name: &str| std::fs::read(place.path().join(name)).expect("mirrored");
            assert_eq!((read("a"), read("sub/b c")), (b"first".to_vec(), b"second".to_vec()));
        }
    }
}

//! A client that is tied to tokio's runtime, in tasks of the runtime: the feature `tokio-compat`.

use axum::Router;
use axum::routing::get;
use overlapped_runtime::net::TcpListener;
use overlapped_runtime::{Runtime, spawn, yield_now};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// No test waits for longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many handlers block.
const HELD: usize = 8;

/// Handlers that block until they are let go.
#[derive(Default)]
struct Hold {
    in_hand: AtomicUsize,
    is_released: Mutex<bool>,
    changed: Condvar,
}

impl Hold {
    fn block(&self) -> &'static str {
        self.in_hand.fetch_add(1, Ordering::SeqCst);
        let is_released = self.is_released.lock().expect("nobody panics");
        let wait = || {
            let waited =
                self.changed.wait_timeout_while(is_released, PATIENCE, |is_released| !*is_released);
            waited.expect("nobody panics").1.timed_out()
        };
        // On Linux it is seen without a word. What runs under Wine does not see it.
        let timed_out = if cfg!(windows) { overlapped_runtime::blocking(wait) } else { wait() };
        if timed_out { "held for too long" } else { "released" }
    }

    fn release(&self) {
        *self.is_released.lock().expect("nobody panics") = true;
        self.changed.notify_all();
    }
}

fn serve(hold: Arc<Hold>) -> SocketAddr {
    let app = Router::new()
        .route("/quick", get(|| async { "quick" }))
        .route("/held", get(move || async move { hold.block() }));
    let listener = TcpListener::bind("127.0.0.1:0").expect("an address is free");
    let address = listener.local_addr().expect("it listens");
    // It ends with its runtime.
    drop(spawn(overlapped_runtime::serve(listener, app).into_future()));
    address
}

async fn ask(client: &reqwest::Client, url: String) -> reqwest::Result<String> {
    client.get(url).send().await?.error_for_status()?.text().await
}

#[test]
fn reqwest_goes_on_beside_handlers_that_block() {
    let runtime = Runtime::builder().concurrency(1).build().expect("a runtime starts");
    let hold = Arc::new(Hold::default());
    runtime.block_on(async {
        let address = serve(Arc::clone(&hold));
        let client = reqwest::Client::builder().no_proxy().build().expect("a client is made");
        let held: Vec<_> = (0..HELD)
            .map(|_| {
                let client = client.clone();
                spawn(async move { ask(&client, format!("http://{address}/held")).await })
            })
            .collect();
        let start = Instant::now();
        while hold.in_hand.load(Ordering::SeqCst) < HELD {
            assert!(start.elapsed() < PATIENCE, "all of them block at the same time");
            yield_now().await;
        }
        // As a task: the threads that run tasks are in the context of tokio, too.
        let quick = spawn(async move {
            for _ in 0..100 {
                assert_eq!(ask(&client, format!("http://{address}/quick")).await?, "quick");
            }
            reqwest::Result::Ok(())
        });
        quick.await.expect("it does not panic").expect("it is answered");
        hold.release();
        for ask in held {
            let answer = ask.await.expect("it does not panic").expect("it is answered");
            assert_eq!(answer, "released");
        }
    });
}

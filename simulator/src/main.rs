//! Runs the library on simulated threads, time and sockets, and checks what it promises.
#![allow(missing_docs, reason = "a program, of which nothing is used elsewhere")]

mod ledger;
mod life;
mod outside;
mod plan;
mod protocol;
mod random;
mod schedule;
mod starter;
mod streams;
mod taker;
mod trace;
mod world;

fn main() {
    life::keep_panics(true);
    let from: u64 = std::env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(1);
    let count: u64 = std::env::args().nth(2).and_then(|s| s.parse().ok()).unwrap_or(10);
    trace::tell(std::env::var_os("TRACE").is_some());
    let t = std::time::Instant::now();
    let r = life::run(
        from..from + count,
        |seed| plan::Plan::of(seed, 1_000),
        move |seed, s| {
            if count <= 20 {
                println!("{seed} {s:?}");
            }
        },
    );
    if let Err(f) = &r { let p = plan::Plan::of(f.seed, 1_000); println!("takers {} c {} monitor {} blocks {} put_backs {} window {:?} net {}", p.takers, p.concurrency, p.monitor, p.blocks, p.put_backs, p.window, p.network_seed); }
    println!("{r:?} {:?}", t.elapsed());
}

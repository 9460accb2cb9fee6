//! How often a test repeats itself that repeats itself often.

/// All of so many rounds, or a tenth of them where `OVERLAPPED_SHORT_TESTS` is set: in surroundings in which each
/// takes several times as long, and which ask whether something works there at all.
pub fn rounds(all: u64) -> u64 {
    if std::env::var_os("OVERLAPPED_SHORT_TESTS").is_none() {
        return all;
    }
    println!("short: {} of {all} rounds", all / 10);
    all / 10
}

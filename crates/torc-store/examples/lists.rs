//! What the operations on a list of many elements cost: the mean and the worst of each, and the memory.
//!
//! `cargo run --release -p torc-store --example lists [millions of elements]`

use std::time::Duration;

use torc_store::pack::Packed;
use torc_store::{End, Entry, Keyspace, KeyspaceOptions, ListLimits, ListMut, ListRef, create_list};

const KEY: &[u8] = b"list";

#[derive(Default)]
struct Times {
    total: Duration,
    worst: Duration,
    count: u32,
}

impl Times {
    fn measure<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = cpu_time();
        let result = work();
        let took = cpu_time() - start;
        self.total += took;
        self.worst = self.worst.max(took);
        self.count += 1;
        result
    }

    fn print(&self, name: &str) {
        println!("{name:28} {:9.1?} mean {:9.1?} worst of {}", self.total / self.count.max(1), self.worst, self.count);
    }
}

/// Time this thread has had a CPU, so that what else runs on the machine matters less.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock writes into the structure, which outlives the call.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(result, 0, "every thread has this clock");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn change<T>(keyspace: &mut Keyspace, work: impl FnOnce(&mut ListMut<'_, '_>) -> T) -> T {
    let Entry::Occupied(mut occupied) = keyspace.entry(0, KEY, 0) else { panic!("the list is there") };
    work(&mut ListMut::of(&mut occupied, ListLimits::default()))
}

fn list(keyspace: &mut Keyspace) -> ListRef<'_> {
    ListRef::of(keyspace.read(0, KEY, 0, false).expect("the list is there"))
}

fn main() {
    let millions = std::env::args().nth(1).map_or(10, |text| text.parse().expect("a number of millions"));
    let count = millions * 1_000_000u64;
    let mut keyspace = Keyspace::new(KeyspaceOptions { databases: 1, hash_seed: [1, 2, 3, 4] });
    let mut times = Times::default();
    for number in 0..count {
        let element = format!("el-{number:013}");
        let element = std::iter::once(element.as_bytes());
        times.measure(|| match keyspace.entry(0, KEY, 0) {
            Entry::Vacant(vacant) => drop(create_list(vacant, End::Back, element, ListLimits::default())),
            Entry::Occupied(mut occupied) => ListMut::of(&mut occupied, ListLimits::default()).push(End::Back, element),
        });
    }
    times.print("push");
    let bytes = keyspace.memory().total_bytes;
    println!("{:.3} bytes for each element of 16", bytes as f64 / count as f64);
    let len = count as usize;
    let mut times = Times::default();
    for step in 0..10_000 {
        let index = step * 7919 % len;
        times.measure(|| assert!(list(&mut keyspace).get(index).is_some()));
    }
    times.print("get anywhere");
    let mut times = Times::default();
    for step in 0..10_000 {
        let index = step * 104_729 % len;
        times.measure(|| change(&mut keyspace, |list| list.insert(index, b"another length")));
    }
    times.print("insert anywhere");
    let mut times = Times::default();
    for step in 0..10_000 {
        let index = step * 104_729 % len;
        times.measure(|| change(&mut keyspace, |list| list.set(index, b"yet another length")));
    }
    times.print("set anywhere");
    let mut times = Times::default();
    let removed =
        times.measure(|| change(&mut keyspace, |list| list.remove_equal(b"another length", usize::MAX, End::Back)));
    times.print("remove thousands of equals");
    println!("{removed} removed");
    let mut times = Times::default();
    times.measure(|| list(&mut keyspace).find_each(Packed::of(b"el-none-none-.."), End::Front, usize::MAX, |_| true));
    times.measure(|| list(&mut keyspace).find_each(Packed::of(b"el-none-none-..."), End::Back, usize::MAX, |_| true));
    times.print("find nothing");
    let mut times = Times::default();
    times.measure(|| change(&mut keyspace, |list| list.drop_elements(End::Front, len / 3)));
    times.measure(|| change(&mut keyspace, |list| list.drop_elements(End::Back, len / 3)));
    times.print("drop a third");
    let mut times = Times::default();
    for _ in 0..len / 10 {
        times.measure(|| change(&mut keyspace, |list| list.pop(End::Back, |_| {})));
    }
    times.print("pop");
    let mut times = Times::default();
    times.measure(|| keyspace.remove(0, KEY, 0));
    times.print("remove");
    let mut times = Times::default();
    while times.measure(|| keyspace.background(0, 1)).more {}
    times.print("a slice of freeing");
}

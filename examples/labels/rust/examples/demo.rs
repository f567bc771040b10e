// SPDX-License-Identifier: Apache-2.0
//! demo SECONDS: threads with labels that work, allocate and wait, and a future that is carried.
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread;
use std::time::{Duration, Instant};

#[inline(never)]
fn burn() -> u64 {
    (0..2_000_000u64).fold(1, |sum, i| std::hint::black_box(sum.wrapping_mul(33).wrapping_add(i)))
}

fn serve(endpoint: &'static str, end: Instant, work: fn()) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let _scope = cprof::label("endpoint", endpoint);
        while Instant::now() < end {
            work();
        }
    })
}

#[inline(never)]
fn allocate() {
    let blocks: Vec<Vec<u8>> = (0..100).map(|_| std::hint::black_box(vec![1; 10_000])).collect();
    thread::sleep(Duration::from_millis(1));
    drop(blocks);
}

#[inline(never)]
fn wait() {
    thread::sleep(Duration::from_millis(20));
    std::hint::black_box(()); // or the call is the function's last, and replaces its frame
}

/// Works in each of its steps, as a task of an executor does.
struct Steps(u32);

impl Future for Steps {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        burn();
        self.0 -= 1;
        context.waker().wake_by_ref();
        if self.0 == 0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

struct Nobody;

impl Wake for Nobody {
    fn wake(self: Arc<Self>) {}
}

/// An executor that runs one future to its end.
fn block_on(mut future: Pin<Box<dyn Future<Output = ()> + Send>>) {
    let waker = Arc::new(Nobody).into();
    while future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {}
}

fn main() {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(3.0);
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let threads = [
        serve("/burn", end, || {
            burn();
        }),
        serve("/allocate", end, allocate),
        serve("/wait", end, wait),
        thread::spawn(move || {
            while Instant::now() < end {
                let carried = {
                    let _scope = cprof::label("endpoint", "/task");
                    cprof::Labels::capture().carry(Steps(5))
                };
                block_on(Box::pin(carried));
            }
        }),
    ];
    for thread in threads {
        thread.join().unwrap();
    }
}

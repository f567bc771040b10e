// SPDX-License-Identifier: Apache-2.0
//! Labels and traces for cprof's samples. Nothing is linked: the functions are looked up when they are first used. Without
//! libcprof.so in the process everything does nothing.
//!
//! ```
//! let _scope = cprof::label("endpoint", "/burn"); // until it is dropped
//! let labels = cprof::Labels::capture();
//! std::thread::spawn(move || {
//!     let _scope = labels.apply(); // what the thread that captured them had
//! });
//! ```
use std::ffi::{c_void, CString};
use std::future::Future;
use std::marker::PhantomData;
use std::os::raw::{c_char, c_int, c_ulong};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

/// The labels and the trace of a moment: a plain value, for another thread or a later time.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    opaque: [c_ulong; 5],
}

extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// A function of the library, looked up once.
struct Function {
    name: &'static str, // ends in NUL
    address: AtomicUsize,
}

const UNKNOWN: usize = 0;
const ABSENT: usize = 1;

impl Function {
    const fn new(name: &'static str) -> Function {
        Function { name, address: AtomicUsize::new(UNKNOWN) }
    }

    fn find(&self) -> Option<usize> {
        // An address has no other data behind it, so relaxed order suffices.
        let mut address = self.address.load(Ordering::Relaxed);
        if address == UNKNOWN {
            // RTLD_DEFAULT is a null pointer on Linux.
            let found = unsafe { dlsym(std::ptr::null_mut(), self.name.as_ptr().cast()) } as usize;
            address = if found == 0 { ABSENT } else { found };
            self.address.store(address, Ordering::Relaxed);
        }
        (address != ABSENT).then_some(address)
    }
}

static IS_PROFILING: Function = Function::new("cprof_is_profiling\0");
static LABEL_SET: Function = Function::new("cprof_label_set\0");
static TRACE_SET: Function = Function::new("cprof_trace_set\0");
static CAPTURE: Function = Function::new("cprof_labels_capture\0");
static APPLY: Function = Function::new("cprof_labels_apply\0");

type IsProfiling = unsafe extern "C" fn() -> c_int;
type LabelSet = unsafe extern "C" fn(*const c_char, *const c_char) -> c_int;
type TraceSet = unsafe extern "C" fn(*const u8, *const u8) -> c_int;
type Capture = unsafe extern "C" fn() -> Labels;
type Apply = unsafe extern "C" fn(Labels);

/// Calls a function of the library, or gives the value that stands for its absence.
macro_rules! call {
    ($function:ident, $kind:ty, ($($argument:expr),*), $otherwise:expr) => {
        match $function.find() {
            Some(address) => unsafe { std::mem::transmute::<usize, $kind>(address)($($argument),*) },
            None => $otherwise,
        }
    };
}

/// This process is recorded.
pub fn is_profiling() -> bool {
    call!(IS_PROFILING, IsProfiling, (), 0) != 0
}

impl Labels {
    /// What the calling thread has now.
    pub fn capture() -> Labels {
        call!(CAPTURE, Capture, (), Labels::default())
    }

    /// The calling thread has these until the scope is dropped.
    #[must_use = "the labels end where this is dropped"]
    pub fn apply(self) -> Scope {
        let scope = Scope::begin();
        call!(APPLY, Apply, (self), ());
        scope
    }

    /// A future each of whose steps has these labels, in whichever thread that is. What it sets itself it keeps.
    pub fn carry<F: Future>(self, future: F) -> Carried<F> {
        Carried { labels: self, future }
    }
}

/// At its end the thread has again what it had at its beginning. It cannot be sent to another thread, nor held across an
/// `await` of a future that can be: [`Labels::carry`] is for those.
#[derive(Debug)]
pub struct Scope {
    before: Labels,
    of_this_thread: PhantomData<*const ()>,
}

impl Scope {
    fn begin() -> Scope {
        Scope { before: Labels::capture(), of_this_thread: PhantomData }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        call!(APPLY, Apply, (self.before), ());
    }
}

/// The calling thread has this label until the scope is dropped. A text with a NUL in it is no label.
#[must_use = "the label ends where this is dropped"]
pub fn label(key: &str, value: &str) -> Scope {
    let scope = Scope::begin();
    if LABEL_SET.find().is_some() {
        if let (Ok(key), Ok(value)) = (CString::new(key), CString::new(value)) {
            call!(LABEL_SET, LabelSet, (key.as_ptr(), value.as_ptr()), -1);
        }
    }
    scope
}

/// The calling thread works for this span until the scope is dropped. Ids as in W3C's traceparent, the first byte first.
#[must_use = "the trace ends where this is dropped"]
pub fn trace(trace_id: &[u8; 16], span_id: &[u8; 8]) -> Scope {
    let scope = Scope::begin();
    call!(TRACE_SET, TraceSet, (trace_id.as_ptr(), span_id.as_ptr()), -1);
    scope
}

/// A future with labels: see [`Labels::carry`].
#[derive(Debug)]
pub struct Carried<F> {
    labels: Labels,
    future: F,
}

impl<F: Future> Future for Carried<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // The future is never moved out of its pinned owner.
        let this = unsafe { self.get_unchecked_mut() };
        let _scope = this.labels.apply();
        let result = unsafe { Pin::new_unchecked(&mut this.future) }.poll(context);
        this.labels = Labels::capture();
        result
    }
}

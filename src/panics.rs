//! Panics: contained where one command of an actor ends, counted and logged in one place.
//!
//! Tokio ends the task that panics, and with it the actor: its `stopped` is not called, its address goes on taking messages
//! that nobody handles, and no supervisor hears of it. So actors handle each command behind [`contain`], and tasks are
//! polled behind it ([`contained`]).

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

/// Panics since the start of the process, contained or not.
static PANICS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// How many boundaries this thread is inside of.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// Where the panic happened that is on its way to a boundary.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Panics since the start of the process; those outside of any boundary count once [`watch`] was called.
#[must_use]
pub fn count() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// Notes where panics happen, and counts and logs those that no boundary contains. A second call changes nothing.
pub fn watch() {
    static WATCHING: Once = Once::new();
    WATCHING.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if DEPTH.get() > 0 {
                // The boundary logs it, in one line.
                PLACE.set(place(panic));
                return;
            }
            let thread = std::thread::current();
            let name = thread.name().unwrap_or("unnamed");
            report("thread", name, place(panic).as_deref(), panic.payload());
            before(panic);
        }));
    });
}

/// Does `act` for `actor`; `None` when it panicked. The caller makes its state good again.
pub fn contain<T>(actor: &'static str, act: impl FnOnce() -> T) -> Option<T> {
    DEPTH.set(DEPTH.get() + 1);
    let done = catch_unwind(AssertUnwindSafe(act));
    DEPTH.set(DEPTH.get() - 1);
    match done {
        Ok(value) => Some(value),
        Err(payload) => {
            report("actor", actor, PLACE.take().as_deref(), &*payload);
            // Dropping what was panicked with may panic in turn, which is nobody's idea.
            std::mem::forget(payload);
            None
        }
    }
}

/// The same for a future: what it comes to, or `None` when it panicked.
pub fn contained<T>(
    actor: &'static str,
    future: impl Future<Output = T>,
) -> impl Future<Output = Option<T>> {
    let mut future = Box::pin(future);
    poll_fn(
        move |cx| match contain(actor, || future.as_mut().poll(cx)) {
            Some(Poll::Pending) => Poll::Pending,
            Some(Poll::Ready(value)) => Poll::Ready(Some(value)),
            None => Poll::Ready(None),
        },
    )
}

fn place(panic: &PanicHookInfo<'_>) -> Option<String> {
    panic.location().map(ToString::to_string)
}

fn report(what: &str, name: &str, place: Option<&str>, payload: &(dyn Any + Send)) {
    let count = PANICS.fetch_add(1, Ordering::Relaxed) + 1;
    let place = place.unwrap_or("unknown");
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text");
    log::error!("panic {what}={name} at={place} panics={count} message={message:?}");
}

#[cfg(test)]
pub(crate) mod injection {
    //! Makes a handler panic, for tests: where code says `strike`, the thread that was armed for it panics.

    use std::cell::RefCell;

    thread_local! {
        static ARMED: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
    }

    /// The next [`strike`] of this name on this thread panics.
    pub(crate) fn arm(name: &'static str) {
        ARMED.with_borrow_mut(|armed| armed.push(name));
    }

    /// Panics if this thread was armed for it.
    pub(crate) fn strike(name: &'static str) {
        let armed = ARMED.with_borrow_mut(|armed| {
            let index = armed.iter().position(|known| *known == name)?;
            Some(armed.swap_remove(index))
        });
        assert!(armed.is_none(), "injected into {name}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_contained_and_counted() {
        watch();
        let before = count();
        assert_eq!(contain("test", || 7), Some(7));
        assert_eq!(contain("test", || -> u8 { panic!("on purpose") }), None);
        assert!(count() > before);
        assert_eq!(DEPTH.get(), 0);
    }

    #[test]
    fn a_boundary_inside_another_contains_its_own() {
        let outer = contain("outer", || {
            let inner = contain("inner", || panic!("on purpose"));
            assert_eq!((inner, DEPTH.get()), (None, 1));
            5
        });
        assert_eq!(outer, Some(5));
    }

    #[test]
    fn a_panic_outside_of_any_boundary_is_counted_too() {
        watch();
        let before = count();
        let ended = std::thread::spawn(|| panic!("on purpose")).join();
        assert!(ended.is_err() && count() > before);
    }

    #[actix_web::test]
    async fn a_future_that_panics_ends_with_nothing() {
        assert_eq!(contained("test", async { 7 }).await, Some(7));
        let panics = async {
            tokio::task::yield_now().await;
            panic!("on purpose")
        };
        assert_eq!(contained("test", panics).await, None::<()>);
    }
}

//! Catches panics in actors and tasks, and counts and logs every panic in one place.
//!
//! A panic in an actor ends its tokio task. Then `stopped` is not called, the address accepts messages that nobody
//! handles, and no supervisor is notified. So actors handle each command in [`contain`], and tasks are polled in
//! [`contained`].

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

/// Panics since the start of the process, caught or not.
static PANICS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The number of nested [`contain`] calls on this thread.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// Where the panic happened that is unwinding to a [`contain`] call.
    static LOCATION: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Panics since the start of the process. Those outside of [`contain`] count once [`watch`] was called.
#[must_use]
pub fn count() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// Records where panics happen, and counts and logs those outside of [`contain`]. A second call has no effect.
pub fn watch() {
    static WATCHING: Once = Once::new();
    WATCHING.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if DEPTH.get() > 0 {
                // [`contain`] logs it in one line.
                LOCATION.set(location(panic));
                return;
            }
            let thread = std::thread::current();
            let name = thread.name().unwrap_or("unnamed");
            report("thread", name, location(panic).as_deref(), panic.payload());
            before(panic);
        }));
    });
}

/// Runs `act` for `actor`. Returns `None` if it panicked; then the caller must restore its state.
pub fn contain<T>(actor: &'static str, act: impl FnOnce() -> T) -> Option<T> {
    DEPTH.set(DEPTH.get() + 1);
    let done = catch_unwind(AssertUnwindSafe(act));
    DEPTH.set(DEPTH.get() - 1);
    match done {
        Ok(value) => Some(value),
        Err(payload) => {
            report("actor", actor, LOCATION.take().as_deref(), &*payload);
            // Dropping the payload could panic again.
            std::mem::forget(payload);
            None
        }
    }
}

/// Polls a future for `actor`. It returns `None` if it panicked.
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

fn location(panic: &PanicHookInfo<'_>) -> Option<String> {
    panic.location().map(ToString::to_string)
}

fn report(what: &str, name: &str, location: Option<&str>, payload: &(dyn Any + Send)) {
    let count = PANICS.fetch_add(1, Ordering::Relaxed) + 1;
    let location = location.unwrap_or("unknown");
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text");
    log::error!("panic {what}={name} at={location} panics={count} message={message:?}");
}

#[cfg(test)]
pub(crate) mod injection {
    //! Makes a handler panic in tests: a call of `strike` panics if the thread was armed for that name.

    use std::cell::RefCell;

    thread_local! {
        static ARMED: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
    }

    /// Makes the next [`strike`] with this name panic on this thread.
    pub(crate) fn arm(name: &'static str) {
        ARMED.with_borrow_mut(|armed| armed.push(name));
    }

    /// Panics if this thread was armed for the name.
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

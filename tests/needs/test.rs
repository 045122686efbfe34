//! A test with what it needs: it runs, or it is ignored and says what is missing, or it fails for that.

use std::future::Future;
use std::process::Command;

use libtest_mimic::{Completion, Failed, Trial};

use crate::need::{self, Need};

/// Set to anything but 0, what is missing is a failure.
const REQUIRE_ALL: &str = "REQUIRE_ALL";

pub struct Test {
    name: String,
    needs: Vec<Need>,
    run: Box<dyn FnOnce() + Send>,
}

/// What a test's function may be; the parameter tells the two kinds apart.
pub trait Body<Kind>: Send + 'static {
    fn run(self);
}

pub struct Blocking;

impl<F: FnOnce() + Send + 'static> Body<Blocking> for F {
    fn run(self) {
        self();
    }
}

/// Its future runs in an actix system of its own.
impl<F, T> Body<T> for F
where
    F: FnOnce() -> T + Send + 'static,
    T: Future<Output = ()>,
{
    fn run(self) {
        actix_web::rt::System::new().block_on(self());
    }
}

/// A function of this module as a test, with what it needs.
macro_rules! test {
    ($function:ident, [$($need:expr),* $(,)?]) => {
        $crate::test::Test::new(
            concat!(module_path!(), "::", stringify!($function)),
            &[$($need),*],
            $function,
        )
    };
}
pub(crate) use test;

impl Test {
    /// The name begins with that of this crate, as `module_path!` has it, or does not.
    pub fn new<Kind>(name: &str, needs: &[Need], body: impl Body<Kind>) -> Self {
        let own = concat!(env!("CARGO_CRATE_NAME"), "::");
        Self {
            name: name.trim_start_matches(own).to_owned(),
            needs: needs.to_vec(),
            run: Box::new(|| body.run()),
        }
    }

    pub fn into_trial(self) -> Trial {
        Trial::ignorable_test(self.name.clone(), || self.run())
    }

    fn run(self) -> Result<Completion, Failed> {
        let missing = self.needs.iter().filter(|need| need.is_missing());
        let names: Vec<&str> = missing.map(|need| need.name()).collect();
        if names.is_empty() {
            let thread = std::thread::Builder::new().name(self.name);
            let ended = thread.spawn(self.run)?.join();
            return match ended {
                Ok(()) => Ok(Completion::Completed),
                Err(_) => Err(Failed::from("it panicked, as is said above")),
            };
        }
        if !is_required() {
            return Ok(Completion::ignored_with(format!(
                "needs {}",
                names.join("; ")
            )));
        }
        let is_roots = |name| [need::ROOT.name(), need::PACKET_FILTER.name()].contains(name);
        if names.iter().all(is_roots) && may_become_root() {
            return as_root(&self.name);
        }
        let missing = names.join("; ");
        Err(format!("{REQUIRE_ALL} is set, and this test needs {missing}").into())
    }
}

fn is_required() -> bool {
    std::env::var(REQUIRE_ALL).is_ok_and(|value| !["", "0"].contains(&&*value))
}

/// `./test` has said that it takes root's rights, and sudo asks for no password any more.
fn may_become_root() -> bool {
    let mut sudo = Command::new("sudo");
    !need::is_root()
        && sudo
            .args(["-n", "true"])
            .status()
            .is_ok_and(|it| it.success())
}

/// Runs a test of this binary as root.
fn as_root(name: &str) -> Result<Completion, Failed> {
    let mut command = Command::new("sudo");
    command.args(["-n", "env"]);
    for variable in ["PATH", REQUIRE_ALL, "TEST_MYSQL_URL", "TEST_POSTGRES_URL"] {
        if let Ok(value) = std::env::var(variable) {
            command.arg(format!("{variable}={value}"));
        }
    }
    let output = command
        .arg(std::env::current_exe()?)
        .args(["--exact", name])
        .output()?;
    if output.status.success() {
        return Ok(Completion::Completed);
    }
    let text = [output.stdout, output.stderr].concat();
    Err(format!("as root: {}", String::from_utf8_lossy(&text)).into())
}

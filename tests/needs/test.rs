//! A test with its needs: it runs, or it is ignored and names its missing needs, or it fails for them.

use std::future::Future;
use std::process::Command;

use libtest_mimic::{Completion, Failed, Trial};

use crate::need::{self, Need};

/// The variable that turns missing needs into failures. Empty and `0` count as unset.
const REQUIRE_ALL: &str = "REQUIRE_ALL";

pub struct Test {
    name: String,
    needs: Vec<Need>,
    is_long: bool,
    run: Box<dyn FnOnce() + Send>,
}

/// A function that can be a test: blocking or async. The parameter keeps the two implementations apart.
pub trait Body<Kind>: Send + 'static {
    fn run(self);
}

pub struct Blocking;

impl<F: FnOnce() + Send + 'static> Body<Blocking> for F {
    fn run(self) {
        self();
    }
}

/// The future runs in its own actix system.
impl<F, T> Body<T> for F
where
    F: FnOnce() -> T + Send + 'static,
    T: Future<Output = ()>,
{
    fn run(self) {
        actix_web::rt::System::new().block_on(self());
    }
}

/// Makes a test of a function of this module, with its needs.
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
    /// `name` may begin with the crate's name, as `module_path!` writes it.
    pub fn new<Kind>(name: &str, needs: &[Need], body: impl Body<Kind>) -> Self {
        let own = concat!(env!("CARGO_CRATE_NAME"), "::");
        Self {
            name: name.trim_start_matches(own).to_owned(),
            needs: needs.to_vec(),
            is_long: false,
            run: Box::new(|| body.run()),
        }
    }

    /// The same, run only with `--ignored`: a script of `tests/long` does that.
    pub fn long(self) -> Self {
        Self {
            is_long: true,
            ..self
        }
    }

    pub fn into_trial(self) -> Trial {
        let is_long = self.is_long;
        Trial::ignorable_test(self.name.clone(), || self.run()).with_ignored_flag(is_long)
    }

    fn run(self) -> Result<Completion, Failed> {
        let missing = self.needs.iter().filter(|need| need.is_missing());
        let names: Vec<&str> = missing.map(|need| need.name()).collect();
        if names.is_empty() {
            let thread = std::thread::Builder::new().name(self.name);
            let ended = thread.spawn(self.run)?.join();
            return match ended {
                Ok(()) => Ok(Completion::Completed),
                Err(_) => Err(Failed::from("it panicked; its message is above")),
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

/// Whether sudo works without a password. `./test` asks for it once.
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

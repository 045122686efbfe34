//! Shell completions and manual pages, generated from the command lines of the programs.

use clap::{Command, Subcommand};
use clap_complete::Shell;
use thiserror::Error;

/// The subcommands that print a program's own documents. Every program has both.
#[derive(Debug, Clone, Subcommand)]
pub enum Document {
    /// Print completions for a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Print the manual page (troff), or that of a subcommand.
    Man {
        /// Of which subcommand.
        subcommand: Option<String>,
    },
}

/// Why a document cannot be printed.
#[derive(Debug, Error)]
pub enum DocumentError {
    /// The program has no subcommand with this name.
    #[error("there is no subcommand {0}; `--help` lists them")]
    NoSubcommand(String),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Document {
    /// Renders the document for a program with this command line.
    ///
    /// # Errors
    /// [`DocumentError`] if the subcommand does not exist.
    pub fn render(&self, mut program: Command) -> Result<Vec<u8>, DocumentError> {
        let mut text = Vec::new();
        match self {
            Self::Completions { shell } => {
                let name = program.get_name().to_owned();
                clap_complete::generate(*shell, &mut program, name, &mut text);
            }
            Self::Man { subcommand } => {
                program.build();
                let described = match subcommand {
                    None => program,
                    Some(name) => program
                        .find_subcommand(name)
                        .cloned()
                        .ok_or_else(|| DocumentError::NoSubcommand(name.clone()))?,
                };
                clap_mangen::Man::new(described).render(&mut text)?;
            }
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program() -> Command {
        Document::augment_subcommands(Command::new("program").version("1.2.3"))
            .subcommand(Command::new("serve").about("Serve clients."))
    }

    fn page(subcommand: Option<&str>) -> Result<String, DocumentError> {
        let subcommand = subcommand.map(str::to_owned);
        let text = Document::Man { subcommand }.render(program())?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    #[test]
    fn a_page_describes_the_program_or_a_subcommand() {
        let whole = page(None).expect("the page of the program");
        assert!(whole.contains(".TH program 1"), "{whole}");
        assert!(whole.contains("1.2.3") && whole.contains("program\\-serve"));
        let part = page(Some("serve")).expect("the page of a subcommand");
        assert!(part.contains("Serve clients."), "{part}");
        let error = page(Some("nothing")).expect_err("no such subcommand");
        assert!(error.to_string().contains("nothing"), "{error}");
    }

    #[test]
    fn completions_name_the_subcommands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let text = Document::Completions { shell }.render(program());
            let text = text.expect("completions");
            assert!(String::from_utf8_lossy(&text).contains("serve"), "{shell}");
        }
    }
}

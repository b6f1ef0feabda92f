//! A folder that lives as long as its value.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// An empty folder under the system's temporary folder, of this process alone, removed with all it holds when dropped.
#[derive(Debug)]
pub struct TestFolder {
    path: PathBuf,
}

impl TestFolder {
    /// Creates a folder whose name begins with `purpose`.
    ///
    /// # Errors
    /// What the operating system says when it cannot be created.
    pub fn new(purpose: &str) -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("nats-conn-{purpose}-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path }),
                // Left behind by a killed process that had the same id.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file into it and gives its path.
    ///
    /// # Errors
    /// What the operating system says when it cannot be written.
    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        std::fs::write(&path, contents)?;
        Ok(path)
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        // A folder that cannot be removed must not turn a passed test into a failure.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_gone_with_its_files_once_dropped() -> io::Result<()> {
        let folder = TestFolder::new("folder")?;
        let file = folder.write("a.txt", "a")?;
        assert!(file.exists());
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
        Ok(())
    }
}

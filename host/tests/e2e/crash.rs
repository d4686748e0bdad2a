//! Ends at the worst moment: kill -9 at every write, damage to every file, a
//! disk that is full. Afterwards there is the old state or the new one, never a
//! third, and nothing half-written is ever loaded.

mod folder;
mod kills;
mod life;
mod picture;

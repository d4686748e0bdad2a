mod guest;
mod interleaved;

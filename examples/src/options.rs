//! The options that the servers of this folder have in common, and how a time is written in them.
//!
//! A program flattens [`Listen`] into its own options: `#[command(flatten)] listen: Listen`. One that has another port
//! says so: `#[command(mut_arg("port", |port| port.default_value("7000")))]`.

use std::io;
use std::time::Duration;

use clap::{Args, ValueEnum};
use mainspring::Workers;
use mainspring::net::{InheritedListener, inherited_listeners};
use mainspring::server::{Server, ServerBuilder, Sharing};

/// Where a server listens, and on how many threads.
#[derive(Args, Clone, Debug)]
pub struct Listen {
    /// Address or name to listen on
    #[arg(long, default_value = "127.0.0.1")]
    pub host: String,
    /// Port to listen on; 0 takes a free one, which stderr tells
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// Reactors, each on a thread of its own
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: u16,
    /// Keep each thread on one processor
    #[arg(long)]
    pub pin: bool,
    /// How connections come to the threads; by default what is usual on this system
    #[arg(long, value_enum)]
    pub sharing: Option<Way>,
}

/// A [`Sharing`] with a name on the command line.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub enum Way {
    /// A listener for each thread
    ReusePort,
    /// To the thread that has the fewest
    HandOff,
    /// One listener for all threads
    Exclusive,
}

impl Listen {
    /// Binds a server with these options and the settings of `builder`. A listener that the program was started with
    /// (`LISTEN_FDS`) takes the place of host and port.
    ///
    /// # Errors
    ///
    /// As [`ServerBuilder::bind`], with host and port in the text, or as [`inherited_listeners`].
    pub fn bind(&self, builder: ServerBuilder) -> io::Result<Server> {
        let Self { host, port, threads, pin, sharing } = self;
        let mut builder = builder.workers(Workers::builder().threads(usize::from(*threads)).pin(*pin));
        if let Some(way) = sharing {
            builder = builder.sharing(match way {
                Way::ReusePort => Sharing::ReusePort,
                Way::HandOff => Sharing::HandOff,
                Way::Exclusive => Sharing::Exclusive,
            });
        }
        for inherited in inherited_listeners()? {
            if let InheritedListener::Tcp(listener) = inherited.listener {
                return builder.listener(listener);
            }
        }
        builder
            .bind((host.as_str(), *port))
            .map_err(|error| io::Error::new(error.kind(), format!("host {host}, port {port}: {error}")))
    }
}

/// Reads a time: `500ms`, `5s`, `2m`, or plain seconds. Fractions are allowed.
///
/// # Errors
///
/// If it is no number with one of these units, is negative, or has no end.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, scale) = if let Some(number) = text.strip_suffix("ms") {
        (number, 0.001)
    } else if let Some(number) = text.strip_suffix('s') {
        (number, 1.0)
    } else if let Some(number) = text.strip_suffix('m') {
        (number, 60.0)
    } else {
        (text, 1.0)
    };
    let wanted = "wanted is a time such as 500ms, 5s or 2m";
    let number: f64 = number.parse().map_err(|_| wanted)?;
    Duration::try_from_secs_f64(number * scale).map_err(|error| format!("{error}; {wanted}"))
}

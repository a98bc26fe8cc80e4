internal import NIOCore

/// The machine's monotonic clock (CLOCK_MONOTONIC): comparable between its processes.
package func monotonicNow() -> Duration {
    .nanoseconds(Int64(NIODeadline.now().uptimeNanoseconds))
}

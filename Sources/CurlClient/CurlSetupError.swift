/// Why a client or its watcher could not be made: the system or libcurl lacks something. Seen at start only.
package enum CurlSetupError: Error, Equatable {
    /// libcurl refused; the code is a `CURLcode` or `CURLMcode`.
    case library(code: Int32)
    /// A system call failed, mostly for want of file descriptors.
    case system(call: String, errno: Int32)
}

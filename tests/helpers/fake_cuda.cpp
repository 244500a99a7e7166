// What makes fake tensors on device "cuda" work in a build of torch without CUDA. Nothing of it computes or allocates.
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

using namespace c10;

namespace {

const Device CARD(DeviceType::CUDA, 0);
const Stream STREAM(Stream::DEFAULT, CARD);

// FakeTensorMode asks for a guard of the device. This one says that there is no device, so that the autograd engine
// starts no thread for it; but it names one stream, or the engine would ask for events to order two.
struct Guard final : impl::NoOpDeviceGuardImpl<DeviceType::CUDA> {
  Device getDevice() const override { return CARD; }
  Device exchangeDevice(Device) const override { return CARD; }
  Stream getStream(Device) const noexcept override { return STREAM; }
  Stream getNewStream(Device, int) const override { return STREAM; }
  Stream exchangeStream(Stream) const noexcept override { return STREAM; }
  DeviceIndex deviceCount() const noexcept override { return 0; }
};

// The engine asks which accelerator there is before it sums gradients that lie on one.
struct Hooks final : at::CUDAHooksInterface {
  bool isBuilt() const override { return true; }
  bool hasPrimaryContext(DeviceIndex) const override { return false; }
};

}  // namespace

namespace c10::impl {
C10_REGISTER_GUARD_IMPL(CUDA, Guard)
}

// torch makes its hooks once, before this library is loaded, and keeps them. So their table of virtual functions is
// exchanged, and given back: neither class holds any data.
extern "C" void fake_cuda(bool on) {
  static Hooks hooks;
  auto* held = const_cast<at::CUDAHooksInterface*>(&at::detail::getCUDAHooks());
  static void* const table = *reinterpret_cast<void**>(held);
  void* const other = *reinterpret_cast<void**>(static_cast<at::CUDAHooksInterface*>(&hooks));
  *reinterpret_cast<void**>(held) = on ? other : table;
}

"""Image quality: paired SSIM, PSNR and LPIPS against photographs, unpaired FID and KID, and swaps."""

"""How good the pictures are: SSIM, PSNR and LPIPS against photographs, FID and KID of people in others' garments."""
